/** The control plane's connections to its store, and how they are shared. */
import { PgClient } from "@effect/sql-pg"
import type { Redacted } from "effect"

/** Each running step holds one for a moment; the embedded server grants a hundred. */
export const maxConnections = 16

/**
 * Queries share a connection, so that a burst of them costs fewer round trips; transactions have one of their own.
 * More on one connection than this makes one PostgreSQL process the bottleneck (see docs/benchmarks.md).
 */
const multiplexConcurrency = 4

export const layer = (url: Redacted.Redacted, applicationName = "coffer") =>
  PgClient.layer({ url, maxConnections, multiplex: true, multiplexConcurrency, applicationName })
