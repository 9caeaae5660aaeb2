export const metadata = { title: "Next.js", icons: "data:," };

/** The frame of every page. */
export default function Layout({ children }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
