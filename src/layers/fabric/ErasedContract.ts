/**
 * A contract with its types erased, as a fabric handles it: what travels is encoded, what is handled was decoded.
 * The only place where the types of a contract are taken for granted.
 */
import { Context, type Duration, type Effect, type Exit, Schema } from "effect"
import type { Rpc } from "effect/rpc"
import {
  type Client,
  ForeignFailure,
  type Handlers,
  Kind,
  Monitor,
  Notification,
  Timeout,
  Version
} from "../../services/Contract.ts"
import type { FabricError } from "../../services/Fabric.ts"

export type Answer = Exit.Exit<unknown, unknown>

type Coder = (value: unknown) => Effect.Effect<unknown, Schema.SchemaError>

export interface Method {
  readonly kind: "call" | "cast"
  readonly timeout: Duration.Duration
  readonly monitor: Duration.Duration | null
  readonly version: string
  readonly notification: string | null
  /** The contract's error for a failure that is none of ours, from its message; null where there is none. */
  readonly foreignFailure: ((message: string) => unknown) | null
  readonly encodePayload: Coder
  readonly decodePayload: Coder
  readonly encodeSuccess: Coder
  readonly decodeSuccess: Coder
  readonly encodeError: Coder
  readonly decodeError: Coder
}

export interface Contract {
  readonly requests: ReadonlyMap<string, Rpc.Any>
}

/** Contracts are made of schemas that need no services; the erased Rpc type cannot say so. */
const codec = (schema: Schema.Top) => Schema.toCodecJson(schema) as unknown as Schema.Codec<unknown>

const erase = (rpc: Rpc.AnyWithProps): Method => {
  const [payload, success, error] = [codec(rpc.payloadSchema), codec(rpc.successSchema), codec(rpc.errorSchema)]
  return {
    kind: Context.get(rpc.annotations, Kind),
    timeout: Context.get(rpc.annotations, Timeout),
    monitor: Context.get(rpc.annotations, Monitor),
    version: Context.get(rpc.annotations, Version),
    notification: Context.get(rpc.annotations, Notification),
    foreignFailure: Context.get(rpc.annotations, ForeignFailure),
    encodePayload: Schema.encodeEffect(payload),
    decodePayload: Schema.decodeUnknownEffect(payload),
    encodeSuccess: Schema.encodeEffect(success),
    decodeSuccess: Schema.decodeUnknownEffect(success),
    encodeError: Schema.encodeEffect(error),
    decodeError: Schema.decodeUnknownEffect(error)
  }
}

const known = new WeakMap<object, ReadonlyMap<string, Method>>()

/** The methods of a contract by name. */
export const methodsOf = (contract: Contract): ReadonlyMap<string, Method> => {
  const found = known.get(contract)
  if (found !== undefined) return found
  const methods = new Map<string, Method>()
  for (const [tag, rpc] of contract.requests) methods.set(tag, erase(rpc as Rpc.AnyWithProps))
  known.set(contract, methods)
  return methods
}

type Handler = (payload: unknown) => Effect.Effect<unknown, unknown>

/** The handler of a method that the contract has. */
export const handlerOf = <R extends Rpc.Any>(handlers: Handlers<R>, tag: string): Handler =>
  (handlers as Readonly<Record<string, Handler>>)[tag] as Handler

/** One function for each method of the contract; the mapped type says what each takes and gives. */
export const clientOf = <R extends Rpc.Any>(
  contract: { readonly requests: ReadonlyMap<string, R> },
  make: (tag: string, method: Method) => Handler
): Client<R, FabricError> => {
  const functions: Record<string, Handler> = {}
  for (const [tag, method] of methodsOf(contract)) functions[tag] = make(tag, method)
  return functions as Client<R, FabricError>
}
