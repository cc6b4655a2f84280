import { SqliteUnderTest } from "./sqlite-under-test";
import { describeStore } from "./store-suite";

describeStore("sqlite", new SqliteUnderTest());
