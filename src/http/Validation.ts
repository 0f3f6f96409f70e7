/**
 * Turns what a schema says of a request into Trove's words: which field, which rule. A value that was sent is
 * never repeated, for it may be a password.
 */
import { Effect, SchemaIssue } from "effect"
import { HttpApiMiddleware } from "effect/http-api"
import { BadRequest, badRequest, malformedBody } from "./Faults.ts"

const ruleOf: SchemaIssue.LeafHook = (issue) => {
  switch (issue._tag) {
    case "MissingKey":
      return "is a required property"
    case "UnexpectedKey":
      return "is not allowed here"
    default:
      return SchemaIssue.defaultLeafHook(issue)
  }
}

const format = SchemaIssue.makeFormatterStandardSchemaV1({ leafHook: ruleOf })

const keyOf = (segment: PropertyKey | { readonly key: PropertyKey }): PropertyKey =>
  typeof segment === "object" ? segment.key : segment

/** `instance['users'][0]['name']`, as Python prints it. */
const placeOf = (path: ReadonlyArray<PropertyKey>): string =>
  path
    .map((key, index) => (index === 0 ? String(key) : typeof key === "number" ? `[${key}]` : `['${String(key)}']`))
    .join("")

/** A number in a query is a text only on the wire. */
const inClientsWords = (rule: string): string =>
  rule.replace(/^Expected /, "must be ").replace("a string representing a finite number", "a number")

/** How many broken rules one answer names. */
const maxRules = 10

const messageOf = (issue: SchemaIssue.Issue): string => {
  const rules = format(issue).issues.map(({ path, message }) => {
    const place = placeOf((path ?? []).map(keyOf))
    return `${place === "" ? "the body" : place} ${inClientsWords(message)}`
  })
  return `Validation error: ${[...new Set(rules)].slice(0, maxRules).join("; ")}`
}

/** The decoder reports a body that is no JSON as an issue of its own kind, at the root. */
const isMalformed = (issue: SchemaIssue.Issue): boolean =>
  issue._tag === "InvalidValue" && issue.annotations?.["message"] === "Expected a valid JSON body"

export class Validation extends HttpApiMiddleware.Service<Validation>()("coffer/http/Validation", {
  error: BadRequest
}) {}

export const ValidationLive = HttpApiMiddleware.layerSchemaErrorTransform(Validation, (error) => {
  // What we answer breaks our own schema: a bug, for the edge to log.
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return Effect.die(error)
  const { issue } = error.cause
  return isMalformed(issue) ? Effect.succeed(malformedBody) : Effect.fail(badRequest(messageOf(issue)))
})
