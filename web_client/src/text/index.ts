/** The one place that decides which language the camera page speaks. */
import { en, type Text } from "./en";

export * from "./format";

export const text: Text = en;
