/** How much a receiver has heard, as a file of its own: a decimal number, on the disk before the message is handed on. */
import { readFile } from "node:fs/promises"
import { Effect, Schema } from "effect"
import type { ReplayFloor } from "../fabric/secure/ReplayGuard.ts"
import { overwriteFile, replaceFile, writing } from "./DurableFile.ts"

const decode = Schema.decodeEffect(Schema.BigIntFromString)

const textOf = (path: string) =>
  readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return ""
    throw error
  })

/** What is damaged is not taken for nothing: everything could be said to the receiver again. It fails with its disk. */
export const replayFile = (path: string): ReplayFloor => ({
  read: Effect.flatMap(
    Effect.promise(() => textOf(path)),
    (text) =>
      text === "" ? Effect.succeed(0n) : Effect.catch(decode(text), () => Effect.die(new Error(`${path} is damaged`)))
  ),
  write: (highest) => {
    const text = String(highest)
    // A full disk is made empty by messages: what is to be removed must be heard.
    return Effect.catch(
      writing(path, () => replaceFile(path, text)),
      (error) =>
        Effect.mapError(
          writing(path, () => overwriteFile(path, text)),
          () => error
        )
    )
  }
})
