# Build: everything, then only what runs.
FROM node:22-bookworm-slim AS build
WORKDIR /causeway
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22-bookworm-slim
ENV NODE_ENV=production \
    CAUSEWAY_DATA_PATH=/var/lib/causeway
RUN install -d -o node -g node -m 0700 /var/lib/causeway
WORKDIR /causeway
COPY --from=build --chown=root:root /causeway/package.json ./
COPY --from=build --chown=root:root /causeway/node_modules ./node_modules
COPY --from=build --chown=root:root /causeway/dist ./dist
COPY --from=build --chown=root:root /causeway/proto ./proto
COPY --from=build --chown=root:root /causeway/examples ./examples
USER node
VOLUME /var/lib/causeway
EXPOSE 9091 8181
# The port may have been moved by TYK_MDCB_HTTPPORT; the image has no curl.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.TYK_MDCB_HTTPPORT || 8181}/readiness`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/causeway/dist/main.js"]
CMD ["start", "--embedded", "--address", "0.0.0.0"]
