import { openStore } from "../../src/stores/open-store";
import { describeStore } from "./store-suite";

describeStore("memory", {
  open: (settings, clock) => openStore("memory:", settings, () => {}, clock),
  cleanUp: () => Promise.resolve(),
});
