import { SqliteInProcess } from "./sqlite-in-process";
import { describeStore } from "./store-suite";

// A few messages at a time would each get a row of their own.
describeStore("sqlite, in blocks", new SqliteInProcess(1));
describeStore(
  "sqlite, in blocks of which leftovers get rows at once",
  new SqliteInProcess(1, { goneLength: -Infinity }),
);
