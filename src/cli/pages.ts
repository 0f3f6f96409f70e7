/** Lists of the API, page by page to their end. */
import { Effect, Schema } from "effect"
import { get } from "./client.ts"
import { type Connection, failed } from "./connection.ts"
import { patiently } from "./patience.ts"

/** How many pages of a list are read. */
export const maxPages = 100

const Page = (collection: string) =>
  Schema.Struct({
    items: Schema.Array(Schema.Json),
    links: Schema.optionalKey(Schema.Array(Schema.Struct({ rel: Schema.String, href: Schema.URLFromString })))
  }).pipe(Schema.encodeKeys({ items: collection }))

/** Everything in the list at `path`, as it came; `collection` is what the API calls it: "instances". */
export const allPages = Effect.fnUntraced(function* (connection: Connection, path: string, collection: string) {
  const all: Array<Schema.Json> = []
  let query = ""
  for (let page = 0; page < maxPages; page++) {
    const { items, links } = yield* patiently(get(connection, `${path}${query}`, Page(collection)))
    all.push(...items)
    const marker = links?.find(({ rel }) => rel === "next")?.href.searchParams.get("marker") ?? null
    if (marker === null) return all
    // The link says https, whatever the service is reached by; only its marker is news. It is encoded twice, for
    // clients that decode a link before they follow it.
    query = `?marker=${marker}`
  }
  return yield* failed(`There are too many ${collection} to look at all of them: more than ${maxPages} pages.`)
})
