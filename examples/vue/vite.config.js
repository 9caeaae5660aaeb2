import vue from "@vitejs/plugin-vue";

const isCustomElement = (tag) => tag === "kaltura-avatar";

export default { plugins: [vue({ template: { compilerOptions: { isCustomElement } } })] };
