export type Mood = "plain" | "good" | "bad" | "quiet";

/** Prints one line, coloured by its mood where there are colours. */
export type Say = (text: string, mood?: Mood) => void;
