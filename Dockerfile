# Image of weir: the bundle on Node, without node_modules. It runs as user node.
FROM node:24-slim AS build
WORKDIR /weir
COPY package.json package-lock.json ./
# Scripts are run below, when their sources are there.
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY scripts scripts
COPY src src
COPY page page
RUN npm run build

FROM node:24-slim
WORKDIR /weir
COPY --from=build /weir/dist dist
COPY package.json LICENSE ./
COPY proto proto
COPY bin bin
RUN ln -s /weir/bin/weir /usr/local/bin/weir
# Compiles the code once, so that each start takes less time and memory. The cache belongs to this version of Node.
RUN weir serve --replica http://127.0.0.1:8000 --data-dir /tmp/compile >/dev/null & \
  weir=$!; sleep 5; kill "$weir"; wait "$weir"; \
  weir health >/dev/null; rm -r /tmp/compile; chmod -R a+rX dist/cache
# Asynchronous requests and logs. Mount a volume here to keep them.
RUN mkdir /data && chown node:node /data
ENV WEIR_DATA_DIR=/data
VOLUME /data
USER node
EXPOSE 8080 9464 9465
# Checks that weir is alive, not ready: weir must not be restarted because a replica is down.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["weir", "health"]
# The launcher execs Node, so weir gets SIGTERM and drains.
ENTRYPOINT ["weir"]
CMD ["serve", "--help"]
