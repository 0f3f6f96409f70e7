/** The instances of a project, and which of them a name stands for. */
import { Effect, Schema } from "effect"
import { Listed, ListedInstance } from "./answers.ts"
import { get } from "./client.ts"
import { type Connection, failed } from "./connection.ts"
import { patiently } from "./patience.ts"

/** How many pages of a list are read. */
export const maxPages = 100

/** All instances as they came. */
export const allInstances = Effect.fnUntraced(function* (connection: Connection) {
  const all: Array<Schema.Json> = []
  let query = ""
  for (let page = 0; page < maxPages; page++) {
    const { instances, links } = yield* patiently(get(connection, `/instances${query}`, Listed))
    all.push(...instances)
    const next = links?.find(({ rel }) => rel === "next")
    if (next === undefined) return all
    // The link says https, whatever the service is reached by; only its query is news.
    query = next.href.search
  }
  return yield* failed(`There are too many instances to look at all of them: more than ${maxPages} pages.`)
})

const decodeAll = Schema.decodeUnknownEffect(Schema.Array(ListedInstance))

/** What came, as it is read. */
export const readInstances = ({ base }: Connection, instances: ReadonlyArray<Schema.Json>) =>
  Effect.mapError(decodeAll(instances), () => failed(`What answers at ${base} lists no instances of Coffer's.`))

/** The id that a name stands for; an id stands for itself. */
export const idOf = Effect.fnUntraced(function* (connection: Connection, nameOrId: string) {
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(nameOrId)) return nameOrId
  const instances = yield* readInstances(connection, yield* allInstances(connection))
  const found = instances.filter(({ name }) => name === nameOrId)
  if (found[0] === undefined) return yield* failed(`There is no instance named ${nameOrId}.`)
  if (found.length > 1) return yield* failed(`${found.length} instances are named ${nameOrId}; name one by its id.`)
  return found[0].id
})
