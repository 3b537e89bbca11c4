# weir in a container: built with the whole toolchain, run with the little that it needs, and not as root.
FROM node:24-slim AS build
WORKDIR /weir
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build

# --omit=optional: this image has its Node already.
FROM node:24-slim AS production
WORKDIR /weir
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional && npm cache clean --force

FROM node:24-slim
WORKDIR /weir
COPY --from=production /weir/node_modules node_modules
COPY --from=build /weir/dist dist
COPY package.json ./
COPY proto proto
COPY bin bin
RUN ln -s /weir/bin/weir /usr/local/bin/weir
# What must survive a restart: asynchronous requests.
RUN mkdir /data && chown node:node /data
ENV WEIR_DATA_DIR=/data
VOLUME /data
USER node
EXPOSE 8080 9464 9465
# Alive, not ready: a replica that is down is no reason to replace its sidecar.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["weir", "health"]
# The launcher becomes Node, so SIGTERM reaches weir itself and drains it.
ENTRYPOINT ["weir"]
CMD ["serve", "--help"]
