import { openStore } from "../../src/stores/open-store";
import { describeStore } from "./store-suite";

describeStore("memory", {
  open: (settings) => openStore("memory:", settings, () => {}),
  cleanUp: () => Promise.resolve(),
});
