/**
 * Failures as oslo.messaging carries them: a JSON text that names an exception by class and module. A contract's
 * error travels as an exception of ours with its fields as keyword arguments.
 */
import { Schema } from "effect"
import { type DiskError, type DiskTrouble, diskTroubles } from "../../../services/Disk.ts"

const Wire = Schema.fromJsonString(
  Schema.Struct({
    class: Schema.String,
    module: Schema.String,
    message: Schema.optionalKey(Schema.NullOr(Schema.String)),
    kwargs: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))
  })
)
const decode = Schema.decodeUnknownOption(Wire)

export interface Failure {
  readonly class: string
  readonly module: string
  readonly message: string
  readonly kwargs: Readonly<Record<string, unknown>>
}

const ours = "coffer"
const dispatcher = "oslo_messaging.rpc.dispatcher"

const write = (class_: string, module: string, message: string, kwargs: object = {}) =>
  JSON.stringify({ class: class_, module, message, tb: [], args: [], kwargs })

/** An error of the contract, and how it is encoded: whoever knows the contract reads that, others the message. */
export const contractError = (error: unknown, encoded: unknown): string =>
  error instanceof Error
    ? write(error.name, ours, error.message, { error: encoded })
    : write("Error", ours, "", { error: encoded })

export const crashed = write("Crashed", ours, "The server met a bug while it answered; its log tells more.")

export const stopped = write("Stopped", ours, "The server stopped before it had the answer.")

/** The server's disk takes nothing, and so it took nothing up. */
export const ofDisk = ({ detail, trouble }: DiskError) => write(trouble, ours, detail)

export const noSuchMethod = (method: string) =>
  write("NoSuchMethod", dispatcher, `Endpoint does not support RPC method ${method}`)

export const unsupportedVersion = (version: string, method: string) =>
  write(
    "UnsupportedVersion",
    dispatcher,
    `Endpoint does not support RPC version ${version}. Attempted method: ${method}`
  )

export const tooLong = write("ValueError", "builtins", "The answer is too long to be sent.")

/** The arguments are not the method's. */
export const badArguments = (message: string) => write("TypeError", "builtins", message)

/** What came back instead of a result. */
export type Meaning =
  | { readonly _tag: "ContractError"; readonly encoded: unknown }
  | { readonly _tag: "Crashed" }
  | { readonly _tag: "Stopped" }
  /** Nothing was done: `message` says to an operator which disk takes nothing, and why. */
  | { readonly _tag: "Disk"; readonly trouble: DiskTrouble; readonly message: string }
  /** The server does not speak the contract, or does not understand the arguments. */
  | { readonly _tag: "Misunderstood"; readonly message: string }
  /** An exception of somebody else's software. */
  | { readonly _tag: "Foreign"; readonly name: string; readonly message: string }

/** How much of what a server says of its disk is kept, in characters. */
const maxMessage = 500

export const read = (failure: string): Meaning => {
  const decoded = decode(failure)
  if (decoded._tag === "None") return { _tag: "Misunderstood", message: "the failure cannot be read" }
  const { class: name, kwargs = {}, module } = decoded.value
  const message = decoded.value.message ?? name
  if (module === ours) {
    if ("error" in kwargs) return { _tag: "ContractError", encoded: kwargs["error"] }
    const trouble = diskTroubles.find((known) => known === name)
    if (trouble !== undefined) return { _tag: "Disk", trouble, message: message.slice(0, maxMessage) }
    return { _tag: name === "Stopped" ? "Stopped" : "Crashed" }
  }
  const isRefused = module === dispatcher || (name === "TypeError" && /^(builtins|exceptions)$/.test(module))
  return isRefused ? { _tag: "Misunderstood", message } : { _tag: "Foreign", name, message }
}

/** A server of version `served` takes messages of the same major version and no newer minor one. */
export const accepts = (served: string, wanted: string): boolean => {
  const [major = 0, minor = 0] = served.split(".").map(Number)
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number)
  return major === wantedMajor && wantedMinor <= minor
}

/** The newest of some versions of one major. */
export const newest = (versions: Iterable<string>): string => {
  let found = "1.0"
  for (const version of versions) if (!accepts(found, version)) found = version
  return found
}
