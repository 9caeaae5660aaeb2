import { loadElement } from "@avatar-broker/client/element";
import { createApp } from "vue";
import App from "./App.vue";

await loadElement("http://127.0.0.1:8000");
createApp(App).mount("#root");
