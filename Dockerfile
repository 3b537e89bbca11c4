# Image of weir. Builds with all dependencies, runs with those of production, as user node.
FROM node:24-slim AS build
WORKDIR /weir
COPY package.json package-lock.json ./
# Scripts are run below, when their sources are there.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build-page.ts scripts/build-page.ts
COPY src src
COPY page page
RUN npm run build

# --omit=optional, since the optional dependency is Node, which the image has.
FROM node:24-slim AS production
WORKDIR /weir
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts && npm cache clean --force

FROM node:24-slim
WORKDIR /weir
COPY --from=production /weir/node_modules node_modules
COPY --from=build /weir/dist dist
COPY package.json ./
COPY proto proto
COPY bin bin
RUN ln -s /weir/bin/weir /usr/local/bin/weir
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
