var request = require('request');
var options = {
'method': 'POST',
'url': 'https://<domain>/<api prefix>/<version>/v1/create/lead/',
'headers': {
'apikey': '<apikey>',
'Authorization': 'Bearer <access token>'
},
formData: {
'first_name': '<first_name>',
'last_name': '<last_name>',
'email': '<email>',
'status': '<status>',
'source': '<source>',
'phone': '<phone>',
'location': '<location>',
'message': '<message>',
'assignee': '<assignee_username>'
}
};
request(options, function (error, response) {
if (error) throw new Error(error);
console.log(response.body);
});
