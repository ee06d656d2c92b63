// A program that does nothing but what is loaded before it.
export {};
