/** `coffer instance …`: what an instance is, and why it is where it is. */
import { Console, Duration, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { FetchHttpClient } from "effect/http"
import { History, type Instance, Shown } from "./answers.ts"
import { get, idOf } from "./client.ts"
import { renderHistory } from "./historyView.ts"

/** How often a watched instance is looked at: often while most happens, then well below the API's rate limit. */
const watchInterval = (looks: number) => Duration.millis(looks < 12 ? 250 : 1000)

/** How long to stand back when the API says that it is asked too often. */
const standBack = Duration.seconds(5)

const url = Flag.String("url").pipe(Flag.withDescription("Where the API is"), Flag.withDefault("http://127.0.0.1:8779"))
const project = Flag.String("project").pipe(Flag.withDescription("Whose instance it is"), Flag.withDefault("demo"))
const watch = Flag.Boolean("watch").pipe(
  Flag.withDescription("Go on showing it until it is at rest"),
  Flag.withDefault(false)
)
const nameOrId = Argument.String("instance").pipe(Argument.withDescription("Its id, or its name"))

const atRest = ({ operating_status, status }: Instance) =>
  status === "ERROR" || (status === "ACTIVE" && operating_status === "HEALTHY")

const show = Command.make(
  "show",
  { nameOrId, url, project, watch },
  Effect.fnUntraced(
    function* ({ nameOrId, project, url, watch }) {
      const base = `${url.replace(/\/$/, "")}/v1.0/${encodeURIComponent(project)}`
      const id = yield* idOf(base, nameOrId)
      const look = Effect.all([get(base, `/instances/${id}`, Shown), get(base, `/instances/${id}/history`, History)])
      const isTerminal = process.stdout.isTTY === true
      let last = ""
      for (let looks = 0; ; looks++) {
        const seen = yield* Effect.result(look)
        if (seen._tag === "Failure") {
          if (last !== "" && seen.failure.status === 404) return yield* Console.log("It is gone.")
          if (last === "" || seen.failure.status !== 413) return yield* seen.failure
          yield* Effect.sleep(standBack)
          continue
        }
        const [{ instance }, { history }] = seen.success
        const picture = renderHistory(instance, history.entries)
        if (picture !== last) {
          // On a terminal the picture is drawn over the one before.
          yield* Console.log(watch && isTerminal ? `\u001b[2J\u001b[H${picture}` : picture)
          last = picture
        }
        if (!watch || atRest(instance)) return
        yield* Effect.sleep(watchInterval(looks))
      }
    },
    Effect.provide(FetchHttpClient.layer),
    Effect.catchTag("CommandFailed", ({ message }) =>
      Effect.andThen(
        Console.error(`coffer: ${message}`),
        Effect.sync(() => {
          process.exitCode = 1
        })
      )
    )
  )
).pipe(
  Command.withDescription("Show an instance with its history: every transition and step, and what it waits for"),
  Command.withExamples([{ command: "coffer instance show --watch first", description: "Watch a build, live" }])
)

export const instance = Command.make("instance").pipe(
  Command.withDescription("Look at database instances"),
  Command.withSubcommands([show])
)
