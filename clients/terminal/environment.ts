import { config as loadEnvFile } from "dotenv";

const VARIABLES = ["WAYBILL_URL", "WAYBILL_TOKEN"];

/** Adds what `.env` says to the environment. As with the hub's settings, a variable that is set but empty is not given. */
export function loadEnvironment(): void {
  // Before, as an empty one would hide what the file says; and after, as the file may have lines that were not filled in.
  dropEmpty();
  loadEnvFile({ quiet: true });
  dropEmpty();
}

function dropEmpty(): void {
  for (const name of VARIABLES) {
    const value = process.env[name]?.trim();
    if (value) process.env[name] = value;
    else delete process.env[name];
  }
}
