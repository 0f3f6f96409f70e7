/**
 * As much of a Nova and a Cinder as the dashboard's pages of databases ask: our own flavors as a Nova's, one zone, and no
 * types of volumes.
 */
import { createServer } from "node:http"
import { Schema } from "effect"
import { freePort, type Service } from "../../e2e/service.ts"

const Flavors = Schema.Struct({
  flavors: Schema.Array(
    Schema.Struct({ str_id: Schema.String, name: Schema.String, ram: Schema.Number, vcpus: Schema.Number })
  )
})
const decodeFlavors = Schema.decodeUnknownSync(Flavors)

const zones = { availabilityZoneInfo: [{ zoneName: "nova", zoneState: { available: true }, hosts: null }] }

export const cloudWith = async (service: Service) => {
  const flavors = async () => {
    const { body } = await service.request("GET", "/flavors")
    return decodeFlavors(body).flavors.map(({ str_id: id, ...flavor }) => ({ id, ...flavor, disk: 5, links: [] }))
  }
  const answer = async (path: string) => {
    if (path.endsWith("/types")) return { volume_types: [] }
    if (path === "/os-availability-zone") return zones
    if (path === "/flavors/detail") return { flavors: await flavors() }
    return { flavor: (await flavors()).find(({ id }) => path === `/flavors/${id}`) }
  }
  const port = await freePort()
  const server = createServer((request, response) => {
    answer(new URL(request.url ?? "/", "http://cloud").pathname).then(
      (body) => response.setHeader("content-type", "application/json").end(JSON.stringify(body)),
      () => response.writeHead(500).end()
    )
  })
  server.listen(port, "127.0.0.1")
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() }
}
