import { BlockList, isIP, isIPv6 } from "node:net";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** The answer before: behind a proxy, or on one machine, all connections have the same address. */
let last = { address: "", isLoopback: false };

/** Whether an address, as one listens on it or as a peer has it, is reachable from this machine only. */
export function isLoopback(address: string): boolean {
  if (address !== last.address) last = { address, isLoopback: check(address) };
  return last.isLoopback;
}

function check(address: string): boolean {
  if (isIP(address) === 0) return address.toLowerCase() === "localhost";
  return LOOPBACK.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}
