/**
 * The passwords that users are to have: from a file, typed, or drawn and told once. Never from an argument, which
 * every user of the machine can read, and the shell remembers.
 */
import { randomBytes } from "node:crypto"
import { Cause, Console, Effect, Option, Redacted, type Schema } from "effect"
import { Flag } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { type CommandFailed, failed, readText } from "./connection.ts"
import { printJson } from "./document.ts"
import { askPassword } from "./terminal.ts"

export const passwordFlags = {
  passwordFile: Flag.File("password-file").pipe(
    Flag.withDescription(
      "A file with the passwords, one on a line, in the order of the users; if unset, one is drawn for each and told once"
    ),
    Flag.optional
  ),
  askPassword: Flag.Boolean("ask-password").pipe(
    Flag.withDescription("Ask for the passwords on the terminal"),
    Flag.withDefault(false)
  )
}

export interface PasswordFlags {
  readonly passwordFile: Option.Option<string>
  readonly askPassword: boolean
}

export interface UserPassword {
  readonly name: string
  readonly password: Redacted.Redacted
  /** Nobody knows it yet: it has to be told. */
  readonly isDrawn: boolean
}

/** 144 bits, in letters, digits, `-` and `_`: nothing that a shell or a URL would have to quote. */
const draw = Effect.sync(() => Redacted.make(randomBytes(18).toString("base64url")))

const count = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`

const fromFile = Effect.fnUntraced(function* (users: ReadonlyArray<string>, file: string) {
  const lines = (yield* readText("password file", file)).split(/\r?\n/)
  if (lines.length !== users.length || lines.includes(""))
    return yield* failed(
      `The password file ${file} has to hold one line for each user, in their order: ${count(users.length, "line")}, none of them empty.`
    )
  return users.map((name, n): UserPassword => ({ name, password: Redacted.make(lines[n] ?? ""), isDrawn: false }))
})

/** One for each user. */
export const passwordsFor = Effect.fnUntraced(function* (users: ReadonlyArray<string>, flags: PasswordFlags) {
  if (Option.isSome(flags.passwordFile)) {
    if (flags.askPassword) return yield* failed("Name --password-file or --ask-password, not both.")
    return yield* fromFile(users, flags.passwordFile.value)
  }
  const isDrawn = !flags.askPassword
  return yield* Effect.forEach(users, (name) =>
    Effect.map(isDrawn ? draw : askPassword(plain(name)), (password): UserPassword => ({ name, password, isDrawn }))
  )
})

/** Those of which nobody knows yet. */
export const drawnOf = (passwords: ReadonlyArray<UserPassword>) => passwords.filter(({ isDrawn }) => isDrawn)

const tellPassword = ({ name, password }: UserPassword) =>
  Console.log(plain(`The password of ${name}, told only now: ${Redacted.value(password)}`))

export const tellPasswords = (drawn: ReadonlyArray<UserPassword>) =>
  Effect.forEach(drawn, tellPassword, { discard: true })

/** For a document; nothing where none was drawn. */
export const passwordsOf = (drawn: ReadonlyArray<UserPassword>) =>
  drawn.length === 0
    ? {}
    : { passwords: Object.fromEntries(drawn.map(({ name, password }) => [name, Redacted.value(password)])) }

/** The service has said no: nothing was done. Without that, all may have gone well but the answer. */
const isRefused = (cause: Cause.Cause<CommandFailed>) => {
  const error = Option.getOrNull(Cause.findErrorOption(cause))
  const status = error?.status ?? null
  return status !== null && status < 500 && error?.message.includes("may have happened") !== true
}

/**
 * Tells what was drawn also where it is not known whether the request was done: the users may be there, whatever became
 * of the answer, and nobody else knows these then. `doubt` says what to look at; `document` is what a program reads.
 */
export const tellingInCase =
  (
    drawn: ReadonlyArray<UserPassword>,
    asked: { readonly json: boolean },
    doubt: string,
    document: Readonly<Record<string, Schema.Json>>
  ) =>
  <A, R>(request: Effect.Effect<A, CommandFailed, R>) =>
    Effect.onError(request, (cause) => {
      if (drawn.length === 0 || isRefused(cause)) return Effect.void
      if (asked.json) return printJson({ ...document, ...passwordsOf(drawn) })
      return Effect.andThen(Console.log(plain(doubt)), tellPasswords(drawn))
    })
