/** Where an order says that its instance is to be: which availability zone, which network, and how to its replicas. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { GuestHostDirectory } from "../../src/services/GuestHostDirectory.ts"
import { defaultNetwork } from "../../src/services/TenantNetwork.ts"
import { call, network, order, path, server } from "./harness.ts"

const { id, subnet } = network
const another = "44444444-4444-4444-4444-444444444444"

const nicsOf = (nic: unknown) => ({ nics: [nic] })

it.effect.each([
  ["no network", { nics: [] }],
  ["the network, by Trove's name", nicsOf({ network_id: id })],
  ["the network, by Nova's name", nicsOf({ "net-id": id })],
  ["the network in capitals, and its subnet", nicsOf({ "net-id": id.toUpperCase(), subnet_id: subnet })],
  ["its subnet alone", nicsOf({ subnet_id: subnet })],
  ["the zone of this machine", { availability_zone: "nova" }]
] as const)("an order with %s is accepted", ([, changes]) =>
  Effect.gen(function* () {
    expect(yield* order(changes)).toMatchObject({ status: 200 })
  }).pipe(Effect.provide(server()))
)

const at = "instance['nics'][0]"
const noUuid = "does not match '^([0-9a-fA-F]){8}-"

const refusals: ReadonlyArray<readonly [string, object, string]> = [
  ["another network", nicsOf({ network_id: another }), `${at}['network_id'] must be the network that all`],
  ["another network by Nova's name", nicsOf({ "net-id": another }), `${at}['net-id'] must be the network that all`],
  ["two networks in one", nicsOf({ network_id: id, "net-id": another }), `${at}['net-id'] must be the network`],
  ["another subnet", nicsOf({ network_id: id, subnet_id: another }), `${at}['subnet_id'] must be the subnet that all`],
  ["an address", nicsOf({ subnet_id: subnet, ip_address: "10.0.0.9" }), `${at}['ip_address'] cannot be chosen: an`],
  ["an address alone", nicsOf({ ip_address: "10.0.0.9" }), `${at} must name a network`],
  ["what is no address", nicsOf({ network_id: id, ip_address: "fd00::1" }), `${at}['ip_address'] must be an IPv4`],
  ["nothing of a network", nicsOf({}), `${at} must name a network (network_id, net-id) or a subnet (subnet_id)`],
  ["a network's name", nicsOf({ "net-id": "private" }), `${at}['net-id'] ${noUuid}`],
  ["a port", nicsOf({ "port-id": another }), `${at}['port-id'] is not allowed here`],
  ["Nova's fixed address", nicsOf({ "net-id": id, "v4-fixed-ip": "10.0.0.9" }), `${at}['v4-fixed-ip'] is not allowed`],
  ["two networks", { nics: [{ network_id: id }, { network_id: id }] }, "instance['nics'] must not hold more than 1"],
  ["networks that are no list", { nics: { network_id: id } }, "instance['nics'] must be"],
  [
    "a zone that there is not",
    { availability_zone: "az9" },
    "instance['availability_zone'] must be a zone that machines for this datastore are in: they are in nova"
  ],
  ["no name of a zone", { availability_zone: "" }, "instance['availability_zone'] is too short"],
  ["a zone that is no text", { availability_zone: 1 }, "instance['availability_zone'] must be"],
  ["a locality that there is not", { locality: "near" }, "instance['locality'] must be affinity, anti-affinity, soft-"]
]

it.effect.each(refusals)("an order with %s is refused, naming field and rule", ([, changes, rule]) =>
  Effect.gen(function* () {
    const { json, status } = yield* order({ ...changes })
    expect(status).toBe(400)
    expect(json.badRequest.message).toContain(`Validation error: ${rule}`)
    expect((yield* call("GET", path("/instances"))).json.instances).toEqual([])
  }).pipe(Effect.provide(server()))
)

it.effect("zone and locality are shown as they were asked for, and nothing where nothing was", () =>
  Effect.gen(function* () {
    const directory = yield* GuestHostDirectory
    yield* directory.report({ name: "db2", addresses: "10.2.0.0/24", memoryMb: 1, zone: "az2", at: 1 })
    const asked = { availability_zone: "az2", locality: "soft-anti-affinity" }
    const { json } = yield* order(asked)
    expect(json.instance).toMatchObject(asked)
    expect((yield* call("GET", path(`/instances/${json.instance.id}`))).json.instance).toMatchObject(asked)
    expect(Object.keys((yield* order()).json.instance)).not.toContain("availability_zone")
    const { json: refused } = yield* order({ availability_zone: "az1" })
    expect(refused.badRequest.message).toMatch(/they are in az2, nova$/)
    // It stands with its replicas, which there are none of yet.
    expect((yield* order({ ...asked, replica_count: 2 })).status).toBe(501)
  }).pipe(Effect.provide(server()))
)

it("the network of an installation that names none is always the same", () => {
  expect(defaultNetwork).toEqual({
    id: "c0ffee00-0000-4000-8000-000000000001",
    subnet: "c0ffee00-0000-4000-8000-000000000002"
  })
})
