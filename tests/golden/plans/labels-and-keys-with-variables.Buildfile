# plan:
FROM scratch
ENV KEY=name VALUE="a  b"
LABEL $KEY=$VALUE 'quoted $KEY'="$VALUE" esc=\$KEY
