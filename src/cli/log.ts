/** `coffer log …`: what the database of an instance writes down. */
import { Console, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { fields, table } from "../layers/config/terminalText.ts"
import { type Log, Logs, ShownLog } from "./answers.ts"
import { asking, post } from "./client.ts"
import { connectionFlags, failed } from "./connection.ts"
import { look, printJson, tell } from "./document.ts"
import { followLog, lastLinesOf, tellLines } from "./followLog.ts"
import { inside } from "./inside.ts"
import { json, nameOrId } from "./instanceFlags.ts"

const name = Argument.String("log").pipe(
  Argument.withDescription("Its name: general, or slow_query; an administrator's error")
)

const list = Command.make("list", { nameOrId, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path) =>
    Effect.flatMap(look(connection, `${path}/log`), (found) =>
      tell(connection, asked, found, Logs, ({ logs }) =>
        table([
          ["LOG", "TYPE", "STATUS", "PUBLISHED", "PENDING"],
          ...logs.map((log) => [log.name, log.type, log.status, `${log.published}`, `${log.pending}`])
        ])
      )
    )
  ).pipe(asking)
).pipe(
  Command.withDescription("List the logs of an instance: which are on, and how many bytes are published of them"),
  Command.withExamples([{ command: "coffer log list first", description: "Those of the instance named first" }])
)

const render = ({ log }: { readonly log: Log }) =>
  fields([
    ["name", log.name],
    ["type", log.type],
    ["status", log.status],
    ["published", `${log.published} bytes`],
    ["pending", `${log.pending} bytes`]
  ])

/** A command that asks for something to be done with a log, and shows it then. */
const doing = <const Verb extends string>(
  verb: Verb,
  flags: Readonly<Record<string, 1>>,
  what: string,
  example: string
) =>
  Command.make(verb, { nameOrId, name, json, ...connectionFlags }, (asked) =>
    inside(asked, (connection, path) =>
      Effect.gen(function* () {
        const shown = yield* post(connection, `${path}/log`, { name: asked.name, ...flags }, ShownLog)
        if (asked.json) return yield* printJson({ log: { ...shown.log } })
        yield* Console.log(render(shown))
      })
    ).pipe(asking)
  ).pipe(
    Command.withDescription(what),
    Command.withExamples([{ command: `coffer log ${verb} first general`, description: example }])
  )

const show = doing("show", {}, "Show a log", "Whether it is on")
const enable = doing("enable", { enable: 1 }, "Switch a log on, at once", "All statements of all clients")
const disable = doing(
  "disable",
  { disable: 1 },
  "Switch a log off, at once",
  "What was logged stays until it is discarded"
)
const publish = doing(
  "publish",
  { publish: 1 },
  "Note that a log is published so far; it is switched on",
  "All of it now"
)
const discard = doing("discard", { discard: 1 }, "Remove what is published of a log", "What is pending stays")

const maxLines = 1000

const tailFlags = {
  nameOrId,
  name,
  lines: Flag.Int("lines").pipe(
    Flag.withAlias("n"),
    Flag.withDescription(`How many lines, at most ${maxLines}`),
    Flag.withDefault(100)
  ),
  follow: Flag.Boolean("follow").pipe(
    Flag.withAlias("f"),
    Flag.withDescription("Go on with what is written then, until Ctrl-C"),
    Flag.withDefault(false)
  ),
  json,
  ...connectionFlags
}

const tail = Command.make("tail", tailFlags, (asked) =>
  inside(asked, (connection, path) =>
    Effect.gen(function* () {
      if (asked.lines < 1 || asked.lines > maxLines) return yield* failed(`--lines must be 1 to ${maxLines}.`)
      if (asked.json && asked.follow) return yield* failed("--json tells one document: leave out --follow.")
      const at = `${path}/log/${encodeURIComponent(asked.name)}`
      if (asked.json) return yield* printJson(yield* look(connection, `${at}?lines=${asked.lines}`))
      const { log } = yield* lastLinesOf(connection, at, asked.lines)
      yield* tellLines(log.lines)
      if (asked.follow) yield* followLog(connection, at, log.next)
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("Print the last lines of a log"),
  Command.withExamples([{ command: "coffer log tail -n 20 -f first general", description: "And what is written then" }])
)

export const log = Command.make("log").pipe(
  Command.withDescription("The logs of an instance's database: switch them on and off, and read them"),
  Command.withSubcommands([list, show, enable, disable, publish, discard, tail])
)
