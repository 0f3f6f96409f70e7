/**
 * Whatever is asked of an operation of our OpenAPI document, the answer has a status that is written there and a body of
 * its schema, and is never an error of ours. More of it: COFFER_FUZZ_RUNS=20000 COFFER_FUZZ_SEED=7 npm test test/http/fuzz
 */
import { expect, it } from "@effect/vitest"
import { Effect, JsonSchema, Schema, SchemaRepresentation } from "effect"
import type { HttpServer } from "effect/http"
import * as fc from "fast-check"
import { AuditApi, auditTopic } from "../../src/services/AuditApi.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import {
  active,
  adminToken,
  call,
  moveTo,
  mysqlVersion,
  operation,
  order,
  project,
  server,
  serveTaskmanager
} from "./harness.ts"
import { type Drawn, type JsonSchema as OpenApiSchema, operationsOf, requestsTo } from "./requests.ts"

const runs = Number(process.env["COFFER_FUZZ_RUNS"] ?? 1500)
const seed = Number(process.env["COFFER_FUZZ_SEED"] ?? 1)

/** WebOb's shape, in which Trove's middleware refuses what never came to an operation. */
const isFlat = Schema.is(Schema.Struct({ message: Schema.String, code: Schema.String, title: Schema.String }))

const imported = (schema: OpenApiSchema) => JsonSchema.fromSchemaOpenApi3_1({ ...schema }).schema

/** What comes before any operation: no route, a foreign project, no JSON, too much of it. */
const before = new Set([400, 403, 404, 413, 415])

it.effect(
  "every answer is one that is documented",
  () =>
    Effect.gen(function* () {
      yield* serveTaskmanager
      const report = { at: 0, looked: [], unseen: [], findings: [], total: 0 }
      yield* (yield* Fabric).serve(auditTopic, AuditApi, { audit: () => Effect.succeed(report) })
      const { id } = yield* active()
      const building: string = (yield* order({ name: "second" })).json.instance.id
      yield* moveTo(building, { _tag: "Building", operation, deadline: 60_000 })

      const { json: document } = yield* call("GET", "/openapi.json")
      const operations = operationsOf(document)
      expect(operations.length).toBeGreaterThan(40)
      const known = {
        project: [project],
        instance: [id, id, building],
        database: ["db1"],
        user: ["ann", "ann@%"],
        datastore: ["mysql", "postgresql"],
        version: [mysqlVersion, "5.7.29"],
        flavor: ["1"],
        target: [project],
        limit: ["1"],
        deleted: ["true"]
      }

      const definitions = Object.fromEntries(
        Object.entries<OpenApiSchema>(document.components.schemas).map(([name, schema]) => [name, imported(schema)])
      )
      const forms = new Map<OpenApiSchema, (value: unknown) => boolean>()
      const isOf = (schema: OpenApiSchema) => {
        const before = forms.get(schema)
        if (before !== undefined) return before
        const form = { dialect: "draft-2020-12", schema: imported(schema), definitions } as const
        const made = Schema.is(SchemaRepresentation.fromJsonSchemaDocument(form, { patterns: "apply" }))
        forms.set(schema, made)
        return made
      }

      const context = yield* Effect.context<HttpServer.HttpServer>()
      const seen = new Map<string, number>()
      const check = (drawn: Drawn) =>
        Effect.gen(function* () {
          const { method, responses } = drawn.operation
          const { json, status, text } = yield* call(method, drawn.path, {
            ...(drawn.raw === undefined ? { body: drawn.body } : { raw: drawn.raw }),
            ...(drawn.isAdmin ? { token: adminToken } : {}),
            headers: drawn.raw === undefined ? {} : { "content-type": "application/json" }
          })
          seen.set(`${status}`, (seen.get(`${status}`) ?? 0) + 1)
          const told = `${method} ${drawn.path} ${drawn.raw ?? JSON.stringify(drawn.body)}: ${status} ${text.slice(0, 300)}`
          if (before.has(status) && isFlat(json)) return
          expect(Object.keys(responses), told).toContain(`${status}`)
          expect(status === 501 || status < 500, told).toBe(true)
          const schema = responses[`${status}`] ?? null
          if (schema === null) return void expect(text, told).toBe("")
          expect(isOf(schema)(json ?? text), told).toBe(true)
        })

      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(requestsTo(operations, known), (drawn) => Effect.runPromiseWith(context)(check(drawn))),
          { numRuns: runs, seed }
        )
      )
      // It did not all end at the gate.
      for (const status of ["200", "202", "400", "401", "404", "422"])
        expect(seen.get(status) ?? 0, `answers of ${status}`).toBeGreaterThan(3)
    }).pipe(Effect.scoped, Effect.provide(server({ COFFER_RATE_LIMIT: "100000000" }))),
  { timeout: 600_000 }
)
