/**
 * The passwords of users who are ordered with an instance: from a file, or drawn. Never from an argument, which
 * every user of the machine can read, and the shell remembers.
 */
import { randomBytes } from "node:crypto"
import { Effect, Option, Redacted } from "effect"
import { failed, readText } from "./connection.ts"

export interface UserPassword {
  readonly name: string
  readonly password: Redacted.Redacted
  /** Nobody knows it yet: it has to be told. */
  readonly isDrawn: boolean
}

/** 144 bits, in letters, digits, `-` and `_`: nothing that a shell or a URL would have to quote. */
const draw = Effect.sync(() => Redacted.make(randomBytes(18).toString("base64url")))

const count = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`

/** One for each user: the lines of the file in the order of the users, or drawn where there is no file. */
export const passwordsFor = Effect.fnUntraced(function* (users: ReadonlyArray<string>, file: Option.Option<string>) {
  if (Option.isNone(file)) {
    return yield* Effect.forEach(users, (name) =>
      Effect.map(draw, (password): UserPassword => ({ name, password, isDrawn: true }))
    )
  }
  const lines = (yield* readText("password file", file.value)).split(/\r?\n/)
  if (lines.length !== users.length || lines.includes(""))
    return yield* failed(
      `The password file ${file.value} has to hold one line for each --user, in their order: ${count(users.length, "line")}, none of them empty.`
    )
  return users.map((name, n): UserPassword => ({ name, password: Redacted.make(lines[n] ?? ""), isDrawn: false }))
})
