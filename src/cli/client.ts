/** How the commands ask the API: one question at a time, with a fault as words for a terminal. */
import { Effect, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { Listed } from "./answers.ts"

/** How many pages are looked through for a name. */
export const maxPages = 100

/** The service answered with a fault, or did not answer. */
class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  message: Schema.String,
  /** Of the answer; null when there was none. */
  status: Schema.NullOr(Schema.Int)
}) {}

const failed = (message: string, status: number | null = null) => new CommandFailed({ message, status })

const Fault = Schema.Record(Schema.String, Schema.Struct({ message: Schema.String }))

/** `base` is a project's: its URL up to what stands after the project. */
export const get = <A, I>(base: string, path: string, schema: Schema.Codec<A, I>) =>
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

const allInstances = Effect.fnUntraced(function* (base: string) {
  const all: Array<(typeof Listed.Type)["instances"][number]> = []
  let query = ""
  for (let page = 0; page < maxPages; page++) {
    const { instances, links } = yield* get(base, `/instances${query}`, Listed)
    all.push(...instances)
    const next = links?.find(({ rel }) => rel === "next")
    if (next === undefined) return all
    // The link says https, whatever the service is reached by; only its query is news.
    query = next.href.search
  }
  return yield* failed("There are too many instances to find one by its name; name it by its id.")
})

/** The id that a name stands for; an id stands for itself. */
export const idOf = Effect.fnUntraced(function* (base: string, nameOrId: string) {
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(nameOrId)) return nameOrId
  const found = (yield* allInstances(base)).filter(({ name }) => name === nameOrId)
  if (found[0] === undefined) return yield* failed(`There is no instance named ${nameOrId}.`)
  if (found.length > 1) {
    return yield* failed(`${found.length} instances are named ${nameOrId}; name one by its id.`)
  }
  return found[0].id
})
