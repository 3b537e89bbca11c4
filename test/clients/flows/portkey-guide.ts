// The complete example of Portkey's guide to log exports, unchanged.
import Portkey from "portkey-ai";
import fs from "fs";

const client = new Portkey({ apiKey: "YOUR_PORTKEY_API_KEY" });

async function exportLogs() {
  // Step 1: Create export
  const exportJob = await client.logs.exports.create({
    filters: {
      created_at: {
        gte: "2024-01-01T00:00:00Z",
        lte: "2024-01-31T23:59:59Z",
      },
    },
    requested_data: ["id", "created_at", "ai_model", "total_tokens", "cost"],
  });
  const exportId = exportJob.id;
  console.log(`Created export: ${exportId}`);

  // Step 2: Start export
  await client.logs.exports.start(exportId);
  console.log("Export started");

  // Step 3: Poll until complete
  while (true) {
    const status = await client.logs.exports.retrieve(exportId);
    if (status.status === "success") break;
    if (status.status === "failure") throw new Error(`Export failed: ${status.error}`);
    await new Promise((r) => setTimeout(r, 5000));
  }

  // Step 4: Download
  const downloadUrl = (await client.logs.exports.download(exportId)).url;
  const response = await fetch(downloadUrl);
  const content = await response.text();
  fs.writeFileSync("logs_export.jsonl", content);

  console.log("Export complete! File saved to logs_export.jsonl");
}

exportLogs();
