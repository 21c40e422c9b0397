// Draws with @stable-canvas/comfyui-client: node stable_canvas.cjs HOST GRAPH
const { Client } = require("@stable-canvas/comfyui-client");
const WebSocket = require("ws");

const [host, graph] = process.argv.slice(2);

(async () => {
  const client = new Client({ api_host: host, clientId: "tests", WebSocket, fetch });
  await client.connect();
  const workflow = JSON.parse(graph);
  const steps = [];
  const told = await client.enqueue(workflow, { progress: ({ value, max }) => steps.push([value, max]) });
  const polled = await client.enqueue_polling(workflow, { polling_ms: 100 });
  const response = await fetch(polled.images[0].data);
  let refused = null;
  try {
    const bad = structuredClone(workflow);
    bad["3"].inputs.steps = 0;
    await client.enqueue(bad);
  } catch (error) {
    refused = error.name;
  }
  console.log(
    JSON.stringify({
      told,
      polled,
      steps,
      refused,
      kind: response.headers.get("content-type"),
      nodes: Object.keys(await client.getNodeDefs()).length,
      stats: (await client.getSystemStats()).devices.length,
    }),
  );
  client.close();
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
