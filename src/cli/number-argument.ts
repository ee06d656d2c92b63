import { InvalidArgumentError } from "commander";

/** A flag's number within its bounds, both included. */
export function numberWithin(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`${least} … ${most} is allowed.`);
  };
}

/** The same for a whole number. */
export function wholeNumberWithin(least: number, most: number): (text: string) => number {
  const within = numberWithin(least, most);
  return (text) => {
    const value = within(text);
    if (Number.isInteger(value)) return value;
    throw new InvalidArgumentError(`a whole number, ${least} … ${most}, is allowed.`);
  };
}
