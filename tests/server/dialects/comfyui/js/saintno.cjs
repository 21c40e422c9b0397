// Draws with @saintno/comfyui-sdk: node saintno.cjs URL TOKEN GRAPH PICTURE
const { readFileSync } = require("node:fs");
const { ComfyApi, CallWrapper, PromptBuilder } = require("@saintno/comfyui-sdk");

const [url, token, graph, picture] = process.argv.slice(2);
const credentials = token ? { type: "basic", username: "anyone", password: token } : undefined;

async function drawn(api, workflow) {
  const told = [];
  const builder = new PromptBuilder(workflow, [], ["images"]).setOutputNode("images", "9");
  const found = await new CallWrapper(api, builder)
    .onProgress((info) => told.push(`progress ${info.value}/${info.max}`))
    .onFailed((error) => told.push(`failed ${error.name} ${error.message}`))
    .run();
  return { found, told };
}

(async () => {
  const api = new ComfyApi(url, "tests", { credentials }).init();
  await api.waitForReady();
  const workflow = JSON.parse(graph);
  const results = [];
  for (let n = 0; n < 3; n++) results.push(await drawn(api, workflow));
  const sent = await api.uploadImage(readFileSync(picture), "in.png", { override: true });
  const over = structuredClone(workflow);
  delete over["5"];
  over["10"] = { class_type: "LoadImage", inputs: { image: sent.info.filename } };
  over["11"] = { class_type: "VAEEncode", inputs: { pixels: ["10", 0], vae: ["4", 2] } };
  over["3"].inputs.latent_image = ["11", 0];
  results.push(await drawn(api, over));
  const bad = structuredClone(workflow);
  bad["3"].inputs.steps = 0;
  const refused = await drawn(api, bad);
  const [image] = results[0].found.images.images;
  const blob = await api.getImage(image);
  const bytes = Buffer.from(await blob.arrayBuffer());
  console.log(
    JSON.stringify({
      results,
      refused: refused.told,
      signature: bytes.subarray(1, 4).toString(),
      checkpoints: await api.getCheckpoints(),
      samplers: (await api.getSamplerInfo()).sampler[0].length,
      queue: await api.getQueue(),
      histories: Object.keys(await api.getHistories(2)).length,
      embeddings: await api.getEmbeddings(),
      models: await api.getModels("checkpoints"),
      features: await api.getFeatures(),
      freed: await api.freeMemory(true, true),
    }),
  );
  await api.interrupt();
  await api.clearHistory({ clear: true });
  await api.manageQueue({ clear: true });
  api.destroy();
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
