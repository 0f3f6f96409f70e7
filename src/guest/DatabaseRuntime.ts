/**
 * The database runtime: where a guest's database process really runs, as a port. Adapters: a Docker
 * container, a child process. It starts, watches, stops and removes; it never speaks SQL.
 *
 * Everything it makes is named after the instance, and every method *ensures*: it looks for what it
 * was about to make, so that doing a thing twice makes one thing.
 */
import { Context, type Effect, type Redacted, Schema } from "effect"
import type { Values } from "../services/configuration/Parameter.ts"
import type { Hardware, ProcessFacts } from "../services/MachineFacts.ts"
import type { KeptData } from "./KeptData.ts"
import type { LogFiles } from "./LogFiles.ts"

/** One database to run. */
export interface DatabaseSpec {
  readonly instanceId: string
  readonly datastore: "postgresql" | "mariadb" | "mysql"
  readonly version: string
  /** Image reference for runtimes that use images, `registry/name:tag`. */
  readonly image: string
  /** The instance's own loopback address, and the port its clients expect. */
  readonly address: string
  readonly port: number
  /** The folder that is the instance's volume; everything of the database lives below it. */
  readonly volume: string
  readonly memoryMb: number
  readonly vcpus: number
  /** Password of the server's built-in administrator (`postgres`, `root`), set at initialisation. */
  readonly adminPassword: Redacted.Redacted
  /** What it is set to beyond what its memory asks for. No part of what the server is: it changes with each start. */
  readonly settings: Values
}

/** The state of the server process, as the host sees it. */
export type RuntimeStatus = "absent" | "running" | "stopped"

/** The runtime could not do what it was asked; `message` is fit for a tenant, `detail` for an operator. */
export class RuntimeError extends Schema.TaggedError<RuntimeError>()("RuntimeError", {
  message: Schema.String,
  detail: Schema.String,
  /** Whether trying again may help. */
  transient: Schema.Boolean
}) {}

/** Why a server is not taken apart from which another one would come. */
export const otherProgram =
  "Its datastore version has another image by now than this database works with. An upgrade to the same version brings that, with a way back."

/** Tells what is going on during long work: "pulling image, 40 %". */
export type Progress = (text: string) => Effect.Effect<void>

export interface DatabaseRuntimeShape {
  readonly kind: "docker" | "process"
  /**
   * The server process exists after this: adopted if it runs, started if it was stopped, initialised if it
   * never was, with the settings of the spec. Whether it answers is the datastore manager's to find out. Interruption leaves nothing half
   * initialised that the next call would trust.
   */
  readonly start: (spec: DatabaseSpec, progress: Progress) => Effect.Effect<void, RuntimeError>
  /**
   * All that it takes to start this spec is there, as its image, and it can be started here at all. Whatever runs goes on.
   */
  readonly provide: (spec: DatabaseSpec, progress: Progress) => Effect.Effect<void, RuntimeError>
  /** The running server, which another version has made the data of, has had done what its makers want done then. */
  readonly convert: (spec: DatabaseSpec) => Effect.Effect<void, RuntimeError>
  /** What lies beside the data while another version is tried on it. */
  readonly kept: KeptData
  /** The server is started with the spec's settings from now on, and reads them when it is told to read its file anew. */
  readonly configure: (spec: DatabaseSpec) => Effect.Effect<void, RuntimeError>
  /**
   * The server that runs may have the memory and the processors of the spec, where its host limits them: `atLeast` takes
   * nothing from it yet. One that does not run has them when it is started.
   */
  readonly limit: (spec: DatabaseSpec, how: "atLeast" | "exactly") => Effect.Effect<void, RuntimeError>
  /** Stops the server cleanly (clients are disconnected, data is flushed); done when it is gone. */
  readonly stop: (spec: DatabaseSpec) => Effect.Effect<void, RuntimeError>
  /**
   * Stops the server; nothing is left of it but its data, and the next start makes the rest anew. Where that cannot be
   * done, as for an image that is not to be had, or is another one by now, it fails and has touched nothing.
   */
  readonly takeApart: (spec: DatabaseSpec, progress: Progress) => Effect.Effect<void, RuntimeError>
  /** What its host has for the server that runs; null where none does. */
  readonly hardware: (spec: DatabaseSpec) => Effect.Effect<Hardware | null, RuntimeError>
  /** How the main process of the server is; null where none runs. */
  readonly process: (spec: DatabaseSpec) => Effect.Effect<ProcessFacts | null, RuntimeError>
  readonly status: (spec: DatabaseSpec) => Effect.Effect<RuntimeStatus, RuntimeError>
  /** What the server writes down. */
  readonly logFiles: LogFiles
  /** The last lines that the server printed, for the history when it does not come up. */
  readonly logs: (spec: DatabaseSpec, lines: number) => Effect.Effect<string, RuntimeError>
  /**
   * Volumes below the folder of which there is a server, or what is left of one, running or not; also of one whose
   * volume is gone. What works elsewhere is none of ours.
   */
  readonly list: (folder: string) => Effect.Effect<ReadonlyArray<string>, RuntimeError>
  /** Nothing is left of the server after this: process, container, mounts. The volume is its owner's to remove. */
  readonly remove: (instanceId: string, volume: string) => Effect.Effect<void, RuntimeError>
}

export class DatabaseRuntime extends Context.Service<DatabaseRuntime, DatabaseRuntimeShape>()(
  "coffer/guest/DatabaseRuntime"
) {}
