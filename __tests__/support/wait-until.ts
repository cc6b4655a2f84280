const LOOK_EVERY_MS = 10;

/** Until something is so that comes about inside the hub, and that no event tells of. A test's own limit ends it. */
export async function waitUntil(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
}
