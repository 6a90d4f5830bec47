# docker build -t causeway .
# docker run --cap-add NET_ADMIN --cap-add BPF --device /dev/net/tun --network host -v /etc/causeway:/etc/causeway causeway
# Without BPF all works but tun_steering.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.release=${VERSION}" -o /causeway ./cmd/causeway

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /causeway /causeway
EXPOSE 500/udp 4500/udp
ENTRYPOINT ["/causeway"]
CMD ["run", "-c", "/etc/causeway/causeway.yaml"]
