/** Pages of what is in a database server, in the order of names. */
import type { Listed } from "./DatastoreManager.ts"

/** For a caller that names no limit, and for one that names more. */
const maxPage = 1000

export const pageSize = (limit: number | null) => Math.max(1, Math.min(limit ?? maxPage, maxPage))

/** Of rows that are one more than the page was asked for: that one tells whether there is a next page. */
export const paged = <A>(limit: number | null, rows: ReadonlyArray<A>, markerOf: (row: A) => string): Listed<A> => {
  const page = rows.slice(0, pageSize(limit))
  const last = page.at(-1)
  return [page, rows.length > page.length && last !== undefined ? markerOf(last) : null]
}
