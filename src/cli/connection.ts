/** Which API a command asks, for whose project, and as whom: by flags, else by variables. */
import { readFile } from "node:fs/promises"
import { Effect, Option, Redacted, Schema } from "effect"
import { Flag } from "effect/cli"
import { codeOf } from "./failure.ts"

const defaultUrl = "http://127.0.0.1:8779"
const defaultProject = "demo"

export const connectionFlags = {
  url: Flag.String("url").pipe(
    Flag.withDescription(`Where the API is (COFFER_URL); if unset, ${defaultUrl}`),
    Flag.optional
  ),
  project: Flag.String("project").pipe(
    Flag.withDescription(`Whose instances are meant (COFFER_PROJECT); if unset, ${defaultProject}`),
    Flag.optional
  ),
  // No flag takes the token itself: every user of the machine can read the arguments of a process.
  tokenFile: Flag.File("token-file").pipe(
    Flag.withDescription("A file that holds the token to ask with; if unset, it is the variable COFFER_TOKEN"),
    Flag.optional
  )
}

export interface ConnectionFlags {
  readonly url: Option.Option<string>
  readonly project: Option.Option<string>
  readonly tokenFile: Option.Option<string>
}

export interface Connection {
  /** The project's URL, up to what stands after the project. */
  readonly base: string
  readonly project: string
  readonly token: Option.Option<Redacted.Redacted>
}

/** The command cannot be carried out; `message` says what to do. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  message: Schema.String,
  /** Of the service's answer; null when there was none. */
  status: Schema.NullOr(Schema.Int)
}) {}

export const failed = (message: string, status: number | null = null) => new CommandFailed({ message, status })

/** The text of a file, without the end of its last line. */
export const readText = (what: string, path: string): Effect.Effect<string, CommandFailed> =>
  Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (error) => failed(`The ${what} ${path} cannot be read (${codeOf(error)}).`)
  }).pipe(Effect.map((text) => text.replace(/\r?\n$/, "")))

type Variables = Readonly<Record<string, string | undefined>>

/** A variable that is empty is not set. */
const given = (flag: Option.Option<string>, variables: Variables, name: string) =>
  Option.orElse(flag, () => Option.filter(Option.fromNullishOr(variables[name]), (value) => value.trim() !== ""))

const readToken = Effect.fnUntraced(function* (flag: Option.Option<string>, variables: Variables) {
  const token = Option.isSome(flag)
    ? Option.some(yield* readText("token file", flag.value))
    : given(Option.none(), variables, "COFFER_TOKEN")
  if (Option.isNone(token)) return Option.none()
  const trimmed = token.value.trim()
  const isToken = /^[\x21-\x7e]+$/.test(trimmed)
  const where = Option.match(flag, { onNone: () => "The variable COFFER_TOKEN", onSome: (path) => `The file ${path}` })
  return isToken ? Option.some(Redacted.make(trimmed)) : yield* failed(`${where} holds no token: one word is expected.`)
})

export const connect = Effect.fnUntraced(function* (flags: ConnectionFlags, variables: Variables = process.env) {
  const url = Option.getOrElse(given(flags.url, variables, "COFFER_URL"), () => defaultUrl)
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ""))
    return yield* failed(`${url} is no URL of an API. Name one with --url, or COFFER_URL, as ${defaultUrl}.`)
  const project = Option.getOrElse(given(flags.project, variables, "COFFER_PROJECT"), () => defaultProject)
  const connection: Connection = {
    base: `${url.replace(/\/+$/, "")}/v1.0/${encodeURIComponent(project)}`,
    project,
    token: yield* readToken(flags.tokenFile, variables)
  }
  return connection
})
