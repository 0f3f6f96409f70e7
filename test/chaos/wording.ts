/** Words for people: errors in one line, and times in seconds. */

export const errorText = (error: unknown) =>
  (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").trim().slice(0, 300)

export const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`
