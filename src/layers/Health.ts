/**
 * Whether a role can do its work, for whoever watches it: parts register checks by name, and `/health` answers for
 * all of them, beside `/metrics`. No check keeps an answer waiting, and many questions cost no more than one.
 */
import { createServer } from "node:http"
import { NodeHttpServer } from "@effect/platform-node"
import { Cause, Context, Duration, Effect, Exit, Fiber, Layer, Option, type Scope } from "effect"
import { HttpMiddleware, HttpRouter, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import type { Role } from "./config/Configuration.ts"

/** How long a check may take; one that takes longer fails. */
export const checkTimeout = Duration.seconds(2)

/** How long an answer is given again. */
export const freshFor = Duration.seconds(1)

/** The longest detail that is shown. */
const maxDetail = 200

export interface CheckReport {
  readonly name: string
  readonly ok: boolean
  /** Why not; empty when it is. */
  readonly detail: string
}

export interface HealthReport {
  readonly status: "ok" | "failing"
  readonly role: Role
  /** By name. */
  readonly checks: ReadonlyArray<CheckReport>
}

/** What fails a check: its message is shown to whoever asks, so it must hold nothing secret. */
export interface CheckFailed {
  readonly message: string
}

export class Health extends Context.Service<
  Health,
  {
    /** The check counts until the scope closes. */
    readonly register: (
      name: string,
      check: Effect.Effect<void, CheckFailed>
    ) => Effect.Effect<void, never, Scope.Scope>
    readonly report: Effect.Effect<HealthReport>
  }
>()("coffer/layers/Health") {}

interface Check {
  readonly name: string
  readonly run: Effect.Effect<void, CheckFailed>
  /** The last one started: while it hangs, no other is started beside it. */
  fiber: Fiber.Fiber<void, CheckFailed> | undefined
}

/** Drivers put URLs, and with them passwords, into their messages. */
const presentable = (message: string): string =>
  message
    .replace(/:\/\/\S*@/g, "://***@")
    .replace(/\b(password|passwd|token|secret|key)\s*[=:]\s*\S+/gi, "$1=***")
    .replace(/\p{Cc}+/gu, " ")
    .slice(0, maxDetail)

const tooLate: CheckFailed = { message: `no answer within ${Duration.format(checkTimeout)}` }

/** Not a child of anybody: one that hangs must not keep the process from ending, either. */
const running = Effect.fnUntraced(function* (check: Check) {
  const last = check.fiber
  if (last !== undefined && last.pollUnsafe() === undefined) return last
  const fiber = yield* Effect.forkDetach(check.run)
  check.fiber = fiber
  return fiber
})

/** In time, even of a check that cannot be interrupted: connecting to a host that is silent often cannot. */
const outcome = Effect.fnUntraced(function* (check: Check) {
  const fiber = yield* running(check)
  const exit = yield* Fiber.await(fiber).pipe(
    Effect.timeoutOrElse({ duration: checkTimeout, orElse: () => Effect.succeed(Exit.fail(tooLate)) }),
    Effect.ensuring(Effect.sync(() => fiber.interruptUnsafe()))
  )
  if (Exit.isSuccess(exit)) return { name: check.name, ok: true, detail: "" }
  // Interrupted when it was too late, before it came to an end just now.
  const failure = Cause.hasInterruptsOnly(exit.cause) ? Option.some(tooLate) : Cause.findErrorOption(exit.cause)
  if (Option.isSome(failure)) return { name: check.name, ok: false, detail: presentable(failure.value.message) }
  yield* Effect.logWarning("a health check met a bug", exit.cause).pipe(Effect.annotateLogs({ check: check.name }))
  return { name: check.name, ok: false, detail: "the check itself failed" }
})

const byName = (a: CheckReport, b: CheckReport) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

export const layer = (role: Role): Layer.Layer<Health> =>
  Layer.effect(
    Health,
    Effect.gen(function* () {
      const checks = new Set<Check>()
      const look = Effect.gen(function* () {
        const reports = yield* Effect.forEach([...checks], outcome, { concurrency: "unbounded" })
        const status = reports.every(({ ok }) => ok) ? ("ok" as const) : ("failing" as const)
        return { status, role, checks: reports.toSorted(byName) }
      })
      return Health.of({
        register: (name, run) =>
          Effect.acquireRelease(
            Effect.sync(() => {
              const check: Check = { name, run, fiber: undefined }
              checks.add(check)
              return check
            }),
            (check) =>
              Effect.sync(() => {
                checks.delete(check)
                check.fiber?.interruptUnsafe()
              })
          ).pipe(Effect.asVoid),
        report: yield* Effect.cachedWithTTL(Effect.withTracerEnabled(look, false), freshFor)
      })
    })
  )

const routes = Layer.unwrap(
  Effect.map(Health, ({ report }) =>
    HttpRouter.add(
      "GET",
      "/health",
      Effect.map(report, (report) =>
        HttpServerResponse.jsonUnsafe(report, {
          status: report.status === "ok" ? 200 : 503,
          headers: { "cache-control": "no-store" }
        })
      )
    )
  )
)

/** `GET /health` and `GET /metrics`, for a server; being looked at leaves no traces. */
export const app = HttpRouter.serve(Layer.mergeAll(routes, PrometheusMetrics.layerHttp({ path: "/metrics" })), {
  disableLogger: true,
  disableListenLog: true
}).pipe(Layer.provide(HttpMiddleware.layerTracerDisabledForUrls(["/health", "/metrics"])))

/** Listens there, beside whatever else the process serves. */
export const serve = (address: { readonly host: string; readonly port: number }) =>
  app.pipe(Layer.provide(NodeHttpServer.layer(createServer, address)))
