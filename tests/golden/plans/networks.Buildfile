# plan: --network=none --allow network.host --allow security.insecure
FROM busybox
RUN true
RUN --network=host true
RUN --network=default true
RUN --security=insecure true
