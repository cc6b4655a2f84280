/** The program as JavaScript, for tests that start it again and again: from the sources each start compiles it anew. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import ts from "typescript";

const ROOT = path.join(__dirname, "..", "..");
const FOLDERS = ["src", "clients", "bin", path.join("__tests__", "faults", "processes")];

/**
 * Compiles the program, without looking at types, into a new folder.
 *
 * @returns the folder, to be removed by `removeCompiled`.
 */
export function compileProgram(): string {
  const target = fs.mkdtempSync(path.join(os.tmpdir(), "waybill-compiled-"));
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.CommonJS,
    esModuleInterop: true,
    isolatedModules: true,
  };
  for (const folder of FOLDERS) {
    for (const name of fs.readdirSync(path.join(ROOT, folder), { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".ts")) continue;
      const source = fs.readFileSync(path.join(ROOT, folder, name), "utf8");
      const output = path.join(target, folder, name.replace(/\.ts$/, ".js"));
      fs.mkdirSync(path.dirname(output), { recursive: true });
      fs.writeFileSync(output, ts.transpileModule(source, { compilerOptions: options }).outputText);
    }
  }
  fs.copyFileSync(path.join(ROOT, "package.json"), path.join(target, "package.json"));
  fs.symlinkSync(path.join(ROOT, "node_modules"), path.join(target, "node_modules"));
  compiled.push(target);
  return target;
}

const compiled: string[] = [];

export function removeCompiled(): void {
  for (const folder of compiled.splice(0)) fs.rmSync(folder, { recursive: true, force: true });
}
