/** The routes of instances: create, list, show, rename, restart, resize, stop, start, delete. */
import { isIPv4 } from "node:net"
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Networks } from "../../services/AllowedNetworks.ts"
import { NetworkId } from "../../services/TenantNetwork.ts"
import { Locality } from "../../services/Zones.ts"
import { byBody, policy, Requires } from "../Access.ts"
import { Gate } from "../Gate.ts"
import { Name, NewDatabases, NewUsers, OptionalText } from "../Names.ts"
import { OffersPreview, Previewed, previewQuery } from "../Preview.ts"
import { Validation } from "../Validation.ts"
import { Accepted, nextLink, nextLinks, pageQuery, prefix, project } from "../Wire.ts"
import { DetailView, ListView } from "./InstanceViews.ts"

const params = { ...project, instance: Schema.String }

/** A field that Trove knows and Coffer does not yet: whatever it holds, the answer is 501. */
export const Later = Schema.optionalKey(Schema.Json)

const FlavorRef = Schema.Union([Name, Schema.Int]).annotate({
  message: "must be a flavor's id, as a string or an integer, or a link that ends in it"
})

const VolumeSize = Schema.Union([
  Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
  Schema.String.check(Schema.isMaxLength(40), Schema.isPattern(/^0*[1-9][0-9]*$/))
]).annotate({ message: "must be an integer of 1 or more: the size in GB" })

const Access = Schema.Struct({
  is_public: Schema.optionalKey(Schema.Boolean),
  allowed_cidrs: Schema.optionalKey(Networks)
})

const uuid = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
const mustBeGroup = { message: "must be the id of a configuration group, a UUID" }
const GroupId = Schema.String.check(Schema.isPattern(new RegExp(`^${uuid}$`), mustBeGroup)).annotate(mustBeGroup)
/** Or a link to it. */
const GroupRef = Schema.String.check(Schema.isPattern(new RegExp(`^([^\\s]*/)?${uuid}$`), mustBeGroup)).annotate(
  mustBeGroup
)

const NicId = Schema.optionalKey(NetworkId)
const nicKeys = {
  network_id: NicId,
  "net-id": NicId,
  subnet_id: NicId,
  ip_address: Schema.optionalKey(
    Schema.String.check(Schema.makeFilter((text) => isIPv4(text), { message: "must be an IPv4 address" }))
  )
}
/** Fields beyond these are refused, as Trove does: an instance would not be where somebody thinks. */
const Nic = Schema.StructWithRest(Schema.Struct(nicKeys), [Schema.Record(Schema.String, Schema.Json)]).check(
  Schema.makeFilter((nic) =>
    Object.keys(nic)
      .filter((key) => !Object.hasOwn(nicKeys, key))
      .map((key) => ({ path: [key], issue: "is not allowed here" }))
  )
)

export const NewInstance = Schema.Struct({
  name: Name,
  flavorRef: Schema.optionalKey(Schema.NullOr(FlavorRef)),
  volume: Schema.optionalKey(Schema.NullOr(Schema.Struct({ size: VolumeSize, type: OptionalText }))),
  datastore: Schema.optionalKey(
    Schema.Struct({ type: OptionalText, version: OptionalText, version_number: OptionalText })
  ),
  databases: Schema.optionalKey(NewDatabases),
  users: Schema.optionalKey(NewUsers),
  access: Schema.optionalKey(Schema.NullOr(Access)),
  region_name: OptionalText,
  nics: Schema.optionalKey(
    Schema.NullOr(Schema.Array(Nic).check(Schema.isMaxLength(1, { message: "must not hold more than 1" })))
  ),
  configuration: Schema.optionalKey(Schema.NullOr(GroupRef)),
  replica_of: Later,
  replica_count: Later,
  restorePoint: Later,
  availability_zone: Schema.optionalKey(Schema.NullOr(Name)),
  locality: Schema.optionalKey(Schema.NullOr(Locality)),
  modules: Later
})

export const InstanceChanges = Schema.Struct({
  name: Schema.optionalKey(Name),
  /** Null detaches, as a change of nothing does. */
  configuration: Schema.optionalKey(Schema.NullOr(GroupId)),
  replica_of: Later,
  slave_of: Later,
  /** Name or id, of the same datastore. */
  datastore_version: Schema.optionalKey(Name),
  access: Schema.optionalKey(Access)
})

/** What an action is told beside its name; a restart, a stop and a start need nothing. */
export const Arguments = Schema.optionalKey(
  Schema.Record(Schema.String, Schema.Json).annotate({ message: "must be an object" })
)

/** Another flavor, or a larger volume; where both are given the volume is meant, as in Trove. */
export const NewSize = Schema.Struct({
  flavorRef: Schema.optionalKey(FlavorRef),
  volume: Schema.optionalKey(Schema.Struct({ size: VolumeSize }))
})

export const InstanceAction = Schema.Struct({
  restart: Arguments,
  resize: Schema.optionalKey(NewSize),
  /** Extensions. */
  stop: Arguments,
  start: Arguments,
  promote_to_replica_source: Later,
  eject_replica_source: Later,
  reset_status: Arguments
})

/** Fields beyond these are refused, as Trove does: a change that is not understood must not pass for done. */
const strict = { errors: "all", onExcessProperty: "error" } as const

const Changed = Schema.Struct({ instance: InstanceChanges })
const One = Schema.Struct({ instance: DetailView })

export class InstancesApi extends HttpApiGroup.make("instances")
  .add(
    HttpApiEndpoint.post("create", "/instances", {
      params: project,
      payload: Schema.Struct({ instance: NewInstance }),
      success: One
    }).annotate(Requires, policy("instance:create")),
    HttpApiEndpoint.get("list", "/instances", {
      params: project,
      query: pageQuery,
      success: Schema.Struct({ instances: Schema.Array(ListView), ...nextLinks, instances_links: nextLink })
    }).annotate(Requires, policy("instance:index")),
    HttpApiEndpoint.get("listDetail", "/instances/detail", {
      params: project,
      query: pageQuery,
      success: Schema.Struct({ instances: Schema.Array(DetailView), ...nextLinks, instances_links: nextLink })
    }).annotate(Requires, policy("instance:detail")),
    HttpApiEndpoint.get("show", "/instances/:instance", { params, success: One }).annotate(
      Requires,
      policy("instance:show")
    ),
    HttpApiEndpoint.delete("remove", "/instances/:instance", { params, success: Accepted }).annotate(
      Requires,
      policy("instance:delete")
    ),
    HttpApiEndpoint.post("act", "/instances/:instance/action", {
      params,
      query: previewQuery,
      payload: InstanceAction,
      success: [Previewed, Accepted]
    })
      .annotate(Requires, byBody)
      .annotate(OffersPreview, true)
      .annotate(HttpApi.PayloadParseOptions, strict),
    HttpApiEndpoint.put("update", "/instances/:instance", {
      params,
      query: previewQuery,
      payload: Changed,
      success: [Previewed, Accepted]
    })
      .annotate(Requires, policy("instance:update"))
      .annotate(OffersPreview, true)
      .annotate(HttpApi.PayloadParseOptions, strict),
    HttpApiEndpoint.patch("patch", "/instances/:instance", {
      params,
      query: previewQuery,
      payload: Changed,
      success: [Previewed, Accepted]
    })
      .annotate(Requires, policy("instance:update"))
      .annotate(OffersPreview, true)
      .annotate(HttpApi.PayloadParseOptions, strict)
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(
    OpenApi.annotations({ title: "Instances", description: "Databases to order, look at and give back." })
  ) {}
