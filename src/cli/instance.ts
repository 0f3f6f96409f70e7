/** `coffer instance …`: what an instance is, and why it is where it is. */
import { Console, Duration, Effect, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { History, type Instance, Listed, Shown } from "./answers.ts"
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

/** The service answered with a fault, or did not answer. */
class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  message: Schema.String,
  /** Of the answer; null when there was none. */
  status: Schema.NullOr(Schema.Int)
}) {}

const failed = (message: string, status: number | null = null) => new CommandFailed({ message, status })

const Fault = Schema.Record(Schema.String, Schema.Struct({ message: Schema.String }))

const get = <A, I>(base: string, path: string, schema: Schema.Codec<A, I>) =>
  HttpClient.execute(HttpClientRequest.get(`${base}${path}`)).pipe(
    Effect.mapError(() =>
      failed(`Nothing answers at ${base}. Is the service running (coffer up)? Name it with --url.`)
    ),
    Effect.flatMap((response) =>
      response.status < 300
        ? Effect.orDie(HttpClientResponse.schemaBodyJson(schema)(response))
        : HttpClientResponse.schemaBodyJson(Fault)(response).pipe(
            Effect.orElseSucceed(() => ({ fault: { message: `the service answered ${response.status}` } })),
            Effect.flatMap((fault) => Effect.fail(failed(Object.values(fault)[0]?.message ?? "", response.status)))
          )
    )
  )

/** The id that a name stands for; an id stands for itself. */
const resolve = Effect.fnUntraced(function* (base: string, nameOrId: string) {
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(nameOrId)) return nameOrId
  const { instances } = yield* get(base, "/instances", Listed)
  const found = instances.filter(({ name }) => name === nameOrId)
  if (found[0] === undefined) return yield* failed(`There is no instance named ${nameOrId}.`)
  if (found.length > 1) {
    return yield* failed(`${found.length} instances are named ${nameOrId}; name one by its id.`)
  }
  return found[0].id
})

const atRest = ({ operating_status, status }: Instance) =>
  status === "ERROR" || (status === "ACTIVE" && operating_status === "HEALTHY")

const show = Command.make(
  "show",
  { nameOrId, url, project, watch },
  Effect.fnUntraced(
    function* ({ nameOrId, project, url, watch }) {
      const base = `${url.replace(/\/$/, "")}/v1.0/${encodeURIComponent(project)}`
      const id = yield* resolve(base, nameOrId)
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
