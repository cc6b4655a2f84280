/**
 * A test of something that not every machine allows. Where it cannot run it is skipped and says so; in CI, which is to
 * have all that is needed, it fails.
 *
 * @param missing what is missing here, in words; undefined: nothing.
 */
export function testUnless(
  missing: string | undefined,
  name: string,
  run: () => Promise<void>,
  timeoutMs: number,
): void {
  if (missing === undefined) test(name, run, timeoutMs);
  else if (process.env.CI === "true") {
    test(name, () => {
      throw new Error(`CI is to have what this needs: ${missing}`);
    });
  } else {
    process.stderr.write(`SKIPPED: ${name}: ${missing}\n`);
    test.skip(name, run);
  }
}
