import { SqliteInProcess } from "./sqlite-in-process";
import { describeStore } from "./store-suite";

describeStore("sqlite", new SqliteInProcess());
