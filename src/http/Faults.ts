/**
 * The one table that turns what the domain refuses into the REST faults of Trove, with their exact names,
 * codes and texts; and the few bodies that Trove's middleware sends in another shape. Nothing else in the
 * api makes up an error body.
 */
import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import type { OperationRefused } from "../actors/OperatorRequests.ts"
import type { ConfigurationRefusal } from "../services/configuration/ConfigurationRequests.ts"
import type { DatabaseNotFound } from "../services/DatabaseRequests.ts"
import type { FabricError } from "../services/Fabric.ts"
import type { GuestRefusal } from "../services/GuestApi.ts"
import type { InstanceNotActionable, OrderRefusal } from "../services/InstanceRequests.ts"
import type { InstanceNotFound } from "../services/Instances.ts"
import type { LogAccessForbidden, LogTextElsewhere } from "../services/LogRequests.ts"
import type { PolicyName } from "../services/policy/Policies.ts"
import type { RootNeverEnabled } from "../services/RootRequests.ts"
import type { InstanceNotReady } from "../services/ServingGuest.ts"
import type { ShownState } from "../services/Status.ts"
import type { NotGranted, UserNotFound } from "../services/UserRequests.ts"

const body = <const Code extends number>(code: Code) =>
  Schema.Struct({ code: Schema.Literal(code), message: Schema.String })

export class BadRequest extends Schema.Class<BadRequest>("BadRequest")(
  { badRequest: body(400) },
  { httpApiStatus: 400 }
) {}
export class Unauthorized extends Schema.Class<Unauthorized>("Unauthorized")(
  { unauthorized: body(401) },
  { httpApiStatus: 401 }
) {}
export class Forbidden extends Schema.Class<Forbidden>("Forbidden")({ forbidden: body(403) }, { httpApiStatus: 403 }) {}
export class ItemNotFound extends Schema.Class<ItemNotFound>("ItemNotFound")(
  { itemNotFound: body(404) },
  { httpApiStatus: 404 }
) {}
export class Conflict extends Schema.Class<Conflict>("Conflict")({ conflict: body(409) }, { httpApiStatus: 409 }) {}
export class OverLimit extends Schema.Class<OverLimit>("OverLimit")({ overLimit: body(413) }, { httpApiStatus: 413 }) {}
export class UnprocessableEntity extends Schema.Class<UnprocessableEntity>("UnprocessableEntity")(
  { unprocessableEntity: body(422) },
  { httpApiStatus: 422 }
) {}
export class InstanceFault extends Schema.Class<InstanceFault>("InstanceFault")(
  { instanceFault: body(500) },
  { httpApiStatus: 500 }
) {}
export class NotImplemented extends Schema.Class<NotImplemented>("NotImplemented")(
  { notImplemented: body(501) },
  { httpApiStatus: 501 }
) {}

/** Every fault that an operation may answer. */
export const faults = [
  BadRequest,
  Unauthorized,
  Forbidden,
  ItemNotFound,
  Conflict,
  OverLimit,
  UnprocessableEntity,
  InstanceFault,
  NotImplemented
] as const
export type Fault = InstanceType<(typeof faults)[number]>

export const badRequest = (message: string) => new BadRequest({ badRequest: { code: 400, message } })
export const unauthorized = (message: string) => new Unauthorized({ unauthorized: { code: 401, message } })
export const forbidden = (message: string) => new Forbidden({ forbidden: { code: 403, message } })
export const itemNotFound = (message: string) => new ItemNotFound({ itemNotFound: { code: 404, message } })
const conflict = (message: string) => new Conflict({ conflict: { code: 409, message } })
export const overLimit = (message: string) => new OverLimit({ overLimit: { code: 413, message } })
const unprocessable = (message: string) => new UnprocessableEntity({ unprocessableEntity: { code: 422, message } })

/** `feature` begins a sentence: "Backups", "Resizing an instance". */
export const notYet = (feature: string) =>
  new NotImplemented({ notImplemented: { code: 501, message: `${feature}: not implemented in Coffer yet.` } })

/** Agents of all instances of a machine are one program there. */
export const agentsUpgrade = new NotImplemented({
  notImplemented: {
    code: 501,
    message:
      "Guest agents are not upgraded one by one: each machine's are one program, which is upgraded with the service (docs/deploy.md)."
  }
})

type DomainError =
  | OrderRefusal
  | InstanceNotFound
  | InstanceNotReady
  | InstanceNotActionable
  | OperationRefused
  | ConfigurationRefusal
  | DatabaseNotFound
  | UserNotFound
  | NotGranted
  | RootNeverEnabled
  | LogAccessForbidden
  | LogTextElsewhere
  | GuestRefusal
  | FabricError

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

type Table = { readonly [Tag in DomainError["_tag"]]: (error: Extract<DomainError, { readonly _tag: Tag }>) => Fault }

const table: Table = {
  InvalidRequest: ({ message }) => badRequest(message),
  // Trove is in Python: an id that is not given is None.
  FlavorNotFound: ({ flavor }) => badRequest(`Resource ${flavor ?? "None"} cannot be found.`),
  DatastoreNotFound: ({ datastore }) => itemNotFound(`Datastore '${datastore}' cannot be found.`),
  // Trove looks a uuid up in one way and a name in another, and answers them differently.
  DatastoreVersionNotFound: ({ version }) =>
    uuid.test(version)
      ? itemNotFound("DBDatastoreVersion Not Found")
      : badRequest(`Datastore version '${version}' cannot be found.`),
  VolumeTooLarge: ({ size, limit }) =>
    overLimit(`Volume 'size' cannot exceed maximum of ${limit} GB, ${size} cannot be accepted.`),
  QuotaExceeded: ({ resources }) =>
    overLimit(`Quota exceeded for resources: [${resources.map((resource) => `'${resource}'`).join(", ")}].`),
  InstanceNotFound: ({ id }) => itemNotFound(`Resource ${id} cannot be found.`),
  InstanceNotReady: ({ id, status }) =>
    unprocessable(`Instance ${id} is not ready${status === null ? "" : `, status: ${status}`}.`),
  InstanceNotActionable: ({ id, operatingStatus, state }) => {
    const health = operatingStatus === "" ? "" : `, operating status was ${operatingStatus}`
    const why = `${hindrance[state]}${health}`
    return unprocessable(`Instance ${id} is not currently available for an action to be performed (${why}).`)
  },
  OperationRefused: ({ action, id, why }) => conflict(`Instance ${id}: ${action} is refused. ${why}`),
  DatabaseNotFound: ({ name }) => itemNotFound(`Database ${name} cannot be found on the instance.`),
  UserNotFound: ({ name, host }) => itemNotFound(`User ${name}@${host} cannot be found on the instance.`),
  NotGranted: ({ user, database }) => itemNotFound(`User ${user} has no access to database ${database}.`),
  ConfigurationNotFound: ({ id }) => itemNotFound(`Configuration group with ID ${id} could not be found.`),
  ParameterNotFound: ({ name }) => itemNotFound(`The configuration parameter ${name} cannot be found.`),
  ValuesRefused: ({ message }) => unprocessable(message),
  RootNeverEnabled: () => itemNotFound("Root user has never been enabled on the instance."),
  LogAccessForbidden: ({ action, log }) => forbidden(`You must be admin to ${action} log '${log}'.`),
  LogTextElsewhere: () =>
    new NotImplemented({
      notImplemented: { code: 501, message: "The guest agent of this instance puts its logs into an object store." }
    }),
  GuestRefusal: ({ message }) => badRequest(message),
  FabricError: ({ reason }) =>
    badRequest(`An error occurred communicating with the guest: ${guestTrouble[reason] ?? reason}`)
}

/** No taskmanager has done the audit that was asked for; who asks is an administrator, and may know why. */
export const unaudited = ({ message }: FabricError) =>
  new InstanceFault({ instanceFault: { code: 500, message: `No taskmanager has answered: ${message}.` } })

// The error's own detail names topics and internals, which are the operator's and not the tenant's.
const guestTrouble: Record<FabricError["reason"], string> = {
  Unreachable: "its guest agent cannot be reached.",
  Timeout: "its guest agent did not answer in time; what was asked may have happened.",
  Overloaded: "its guest agent is too busy. Nothing was done; try again.",
  Undecodable: "its guest agent does not understand this request.",
  Crashed: "its guest agent met an error.",
  DiskFull: "the disk of its machine is full. Nothing was done.",
  DiskFailing: "the disk of its machine cannot be written to. Nothing was done."
}

/** What Trove says that an instance does, by its server or by its task, when it refuses an action. */
const hindrance: Record<ShownState, string> = {
  New: "instance status was BUILD",
  Building: "instance status was BUILD",
  Active: "instance status was ACTIVE",
  Restarting: "task status was (3 REBOOTING Rebooting the instance.)",
  Configuring: "task status was (7 RESTART_REQUIRED Instance requires a restart.)",
  Resizing: "task status was (4 RESIZING Resizing the instance.)",
  RestartRequired: "task status was (7 RESTART_REQUIRED Instance requires a restart.)",
  Upgrading: "task status was (12 UPGRADING Upgrading the instance.)",
  Stopping: "task status was STOPPING",
  Stopped: "instance status was SHUTDOWN",
  Starting: "task status was (3 REBOOTING Rebooting the instance.)",
  Rebuilding: "task status was (5 BUILDING The instance is building.)",
  Deleting: "task status was (2 DELETING Deleting the instance.)",
  Deleted: "task status was (2 DELETING Deleting the instance.)",
  Failed: "instance status was ERROR",
  Unknown: "instance status was UNKNOWN"
}

const faultOf = (error: DomainError | Fault): Fault => {
  if (!("_tag" in error)) return error
  // The table proves that the entry exists; TypeScript cannot follow a tag into one function's type.
  const row = table[error._tag] as (error: DomainError) => Fault
  return row(error)
}

/** An operation that fails in the API's words instead of the domain's. */
export const answering = <A, R>(operation: Effect.Effect<A, DomainError | Fault, R>): Effect.Effect<A, Fault, R> =>
  Effect.mapError(operation, faultOf)

/** A fault outside of any operation, as a response. */
export const faultResponse = (status: number, fault: Fault): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe({ ...fault }, { status })

/** The shape of errors that Trove's middleware raises (WebOb's). */
const flat = (status: number, title: string, message: string) =>
  HttpServerResponse.jsonUnsafe({ message, code: `${status} ${title}`, title }, { status })

export const malformedBody = flat(400, "Bad Request", "Malformed request body<br /><br />\n\n\n")
export const wrongProject = (project: string) =>
  flat(
    403,
    "Forbidden",
    `Access was denied to this resource.<br /><br />\nUser with tenant id ${project} cannot access this resource.\n\n`
  )
export const unsupportedMediaType = flat(
  415,
  "Unsupported Media Type",
  "The request media type is not supported by this server; send application/json.<br /><br />\n\n\n"
)
/** `challenge`: where a token is to be had, as `WWW-Authenticate` has it; none where nobody gives any. */
export const unauthenticated = (challenge?: string) =>
  HttpServerResponse.jsonUnsafe(
    { error: { code: 401, title: "Unauthorized", message: "The request you have made requires authentication." } },
    { status: 401, headers: challenge === undefined ? {} : { "www-authenticate": challenge } }
  )
export const identityUnavailable = HttpServerResponse.setHeader(
  flat(
    503,
    "Service Unavailable",
    "The server is currently unavailable. Please try again at a later time.<br /><br />\n" +
      "The Keystone service is temporarily unavailable.\n\n"
  ),
  "retry-after",
  "1"
)
export const policyForbids = (policy: PolicyName) => forbidden(`Policy doesn't allow ${policy} to be performed.`)
export const notAdministrator = () => unauthorized("User does not have admin privileges.")
export const noSuchRoute = faultResponse(404, itemNotFound("The resource could not be found."))
export const foreignHost = faultResponse(
  403,
  forbidden("This server answers requests to its own host name only, and to no other web site.")
)
export const bodyTooLarge = (limit: number) =>
  faultResponse(413, overLimit(`The request body is larger than ${limit} bytes.`))

/** A bug of ours; the id finds its cause in the log. */
export const internalError = (requestId: string) =>
  faultResponse(
    500,
    new InstanceFault({
      instanceFault: {
        code: 500,
        message: `Internal Server Error. Please keep this ID to help us figure out what went wrong: (${requestId}).`
      }
    })
  )

/** The project has used up its requests of this verb for now; `seconds` until the next is taken. */
export const rateLimited = (verb: string, limit: number, seconds: number) =>
  HttpServerResponse.jsonUnsafe(
    {
      overLimit: {
        code: 413,
        message: "This request was rate-limited.",
        details: `Only ${limit} ${verb} request(s) can be made to * every minute.`,
        retryAfter: `${seconds}`
      }
    },
    { status: 413, headers: { "retry-after": `${seconds}` } }
  )
