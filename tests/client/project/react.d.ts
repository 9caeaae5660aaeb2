// As much of React's types as the element's need.
declare module "react" {
  namespace JSX {
    interface IntrinsicElements {}
  }
}
