/**
 * What several routes write in the same way: links, dates, pages; and the schemas of what they share.
 */
import { Schema } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiSchema } from "effect/http-api"
import { type Millis, Text } from "../services/Ids.ts"

/** Every parameter of the path that the prefix of all operations brings along. */
export const prefix = "/v1.0/:project"
export const project = { project: Schema.String }

export const Link = Schema.Struct({ href: Schema.String, rel: Schema.String })
export type Link = typeof Link.Type
export const Links = Schema.Array(Link)

/** Date and time in UTC without zone or fraction, "2026-11-22T06:56:18": clients fail on a `Z`. */
export const Stamp = Schema.String.annotate({ description: "UTC, without zone: 2026-11-22T06:56:18" })

export const stamp = (at: Millis): string => new Date(at).toISOString().slice(0, 19)

/** The same with milliseconds, for what is ours alone. */
export const PreciseStamp = Schema.String.annotate({ description: "UTC, without zone: 2026-11-22T06:56:18.042" })

export const preciseStamp = (at: Millis): string => new Date(at).toISOString().slice(0, 23)

/** 202 and nothing to say. */
export const Accepted = HttpApiSchema.Empty(202)

const hostOf = (request: HttpServerRequest.HttpServerRequest): string => request.headers["host"] ?? "localhost"

/** Writes the links of one answer; clients expect https whatever the request came by. */
export interface LinkWriter {
  readonly project: string
  readonly to: (collection: string, id: string) => ReadonlyArray<Link>
}

export const linkWriter = (request: HttpServerRequest.HttpServerRequest, project: string): LinkWriter => {
  const base = `https://${hostOf(request)}`
  return {
    project,
    to: (collection, id) => [
      { href: `${base}/v1.0/${project}/${collection}/${id}`, rel: "self" },
      { href: `${base}/${collection}/${id}`, rel: "bookmark" }
    ]
  }
}

/** Trove's page size, and its cap. */
export const maxPage = 20

const Limit = Schema.Int.check(
  Schema.isGreaterThanOrEqualTo(1, { message: "must be an integer of 1 or more" })
).annotate({ message: "must be an integer of 1 or more" })

/** The page that a query asks for. */
export const pageQuery = { limit: Schema.optionalKey(Limit), marker: Schema.optionalKey(Text) }

export interface PageQuery {
  readonly limit?: number
  readonly marker?: string
}

export const pageOf = (query: PageQuery): { readonly limit: number; readonly marker: string | null } => ({
  limit: Math.min(query.limit ?? maxPage, maxPage),
  marker: query.marker ?? null
})

/** Beside a page's collection: the link to the next one, if there is one. */
export const nextLink = Schema.optionalKey(Links)
export const nextLinks = { links: nextLink }

/** What gophercloud looks for instead of `links`. It goes there as it is told, while Trove's clients take the marker from it. */
export type FollowedLinks = "instances_links" | "databases_links" | "users_links"

/** Behind proxies, one of which ends TLS, it is what the first of them says. */
const schemeOf = ({ headers }: HttpServerRequest.HttpServerRequest): "https" | "http" =>
  headers["x-forwarded-proto"]?.split(",")[0]?.trim().toLowerCase() === "https" ? "https" : "http"

/**
 * The marker is encoded twice: troveclient decodes the link once and pastes what it gets, raw, into its
 * next request. Where the link is followed, it is encoded once, and of the scheme that the request came by.
 */
export const next = (
  request: HttpServerRequest.HttpServerRequest,
  marker: string | null,
  followed?: FollowedLinks
): { readonly [name in "links" | FollowedLinks]?: ReadonlyArray<Link> } => {
  if (marker === null) return {}
  const [path, query = ""] = request.originalUrl.replace(/^https?:\/\/[^/]*/, "").split("?", 2)
  const kept = query.split("&").filter((pair) => pair !== "" && !pair.startsWith("marker="))
  const to = (scheme: string, encoded: string) => [
    { rel: "next", href: `${scheme}://${hostOf(request)}${path}?${[...kept, `marker=${encoded}`].join("&")}` }
  ]
  const once = encodeURIComponent(marker)
  const links = to("https", encodeURIComponent(once))
  return followed === undefined ? { links } : { links, [followed]: to(schemeOf(request), once) }
}
