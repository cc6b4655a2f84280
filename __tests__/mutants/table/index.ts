import type { BrokenPromise } from "../mutant";
import { BOUNDED } from "./bounded";
import { CONFIRMED } from "./confirmed";
import { COSTS } from "./costs";
import { NOTHING_VANISHES } from "./nothing-vanishes";
import { ONCE_PER_ID } from "./once-per-id";
import { ONE_HOLDER } from "./one-holder";
import { OPERATING } from "./operating";
import { ORDER } from "./order";
import { OWN_BUSINESS } from "./own-business";
import { ROOMS } from "./rooms";
import { SILENCE } from "./silence";
import { TIME } from "./time";

/** Every mistake that the tests must notice, by the promise that it would break. */
export const BROKEN_PROMISES: readonly BrokenPromise[] = [
  CONFIRMED,
  NOTHING_VANISHES,
  ONE_HOLDER,
  ORDER,
  ONCE_PER_ID,
  SILENCE,
  BOUNDED,
  OWN_BUSINESS,
  TIME,
  ROOMS,
  OPERATING,
  COSTS,
];
